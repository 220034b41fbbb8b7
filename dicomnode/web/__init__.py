"""The service that answers by HTTP."""
