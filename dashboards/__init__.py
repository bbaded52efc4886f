"""Grafana dashboards as code: one module a dashboard, built by `python -m dashboards.build` into `json/`."""
