"""What Prometheus is told: counted in this process, and read from rows and the machine."""
