"""TLS on associations, after BCP 195 (PS3.15 Annex B): taken, and asked for."""
