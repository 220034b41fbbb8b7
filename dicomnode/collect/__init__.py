"""Collect: marks meet the CT slices that they were drawn on."""
