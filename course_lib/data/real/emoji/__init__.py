"""1,393 things, each drawn by three hands, with names and keywords in Chinese and English.

drawings.py reads them, splits.py holds things out, neighbours.py is the baseline, build.py makes the files anew.
"""
