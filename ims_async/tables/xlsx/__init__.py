"""XLSX workbooks: sheets that are written to be decided on, and sheets that are read.

Needs the extra `xlsx`; its two libraries are imported by one module each, when a workbook is first opened.
"""
