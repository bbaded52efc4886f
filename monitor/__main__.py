"""`python -m monitor` is the `monitor` command; everything else is in `monitor.cli`."""

from monitor.cli import main

if __name__ == "__main__":
    main()
