"""Traffic monitor for a municipality's Internet segment: capture, flows, model, store, detect, alerts."""

__version__ = "0.1.0"
