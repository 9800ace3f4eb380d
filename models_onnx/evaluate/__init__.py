"""Held-out likelihood: nats a note of a token model beside an n-gram model with a cache, on exactly the same tokens.

pieces (encode, choose) -> windows (a model of short context over a long piece) | contexts -> counts -> ngram -> compare
"""
