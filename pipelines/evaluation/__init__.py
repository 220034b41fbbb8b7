"""The papers' tables for the methods that are here: cases, scores, tables, a report of them."""
