"""What the outside is told as it happens: the Prometheus exporter and its capped series of active incidents."""

from monitor.alerts.active import ActiveIncidents
from monitor.alerts.exporter import Exporter

__all__ = ["ActiveIncidents", "Exporter"]
