"""Full-Duplex-Bench for any agent: run it, recognise what it said, score, report, compare.

Stages over one folder, each of which can be stopped and taken up again; `runner` has the order.
The scorers follow the published rules of Full-Duplex-Bench and were written for this package;
nothing of that project is in it, its data is read from the user's own copy.
"""
