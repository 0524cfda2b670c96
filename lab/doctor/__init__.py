"""What is wrong with anybody's server: `python -m lab doctor URL`.

In: the URL of a server, in whatever language it is written, and perhaps its process.
Out: what holds it back, with the figures that say so, and what could not be decided.

One module looks at one kind of thing, and says what it saw (`observations`), not what
it means. The judges that `verdict` asks know that, and `report` how to say it. The
standard library and `lab.load` are all that this needs.
"""
