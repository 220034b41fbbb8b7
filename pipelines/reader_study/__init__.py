"""Reader studies: in which order readers see candidates, and what their choices say.

Numbers only: `dicomnode.reader_study` keeps the studies and asks the readers.
"""
