"""From the folders of a study's runs to its report: statistics, tables, doubts, pages.

Imports `plots` and below, neither torch nor Lightning. Begin with report.py; folder.py reads, statistics.py computes,
sections.py tells; templates/ holds the page, explorer.js what is done in it.
"""
