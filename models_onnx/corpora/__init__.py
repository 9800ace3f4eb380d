"""From archives of scores and MIDI, and from a user's own files, to packed corpora for training and evaluation.

    sources (what there is) -- readers --> bars -- pack --> Piece -- split, fingerprints --> train, valid, test + manifest

`build` runs it, with its results kept so that an interrupted run goes on.
"""
