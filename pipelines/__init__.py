"""Voxels in, voxels out: marks become trimaps, trimaps become soft masks.

Research software, not for diagnosis.
"""
