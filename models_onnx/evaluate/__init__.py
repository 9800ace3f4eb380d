"""Held-out likelihood: nats a note of a token model beside n-gram models with caches, on exactly the same tokens.

pieces (encode, choose) -> windows (a model of short context over a long piece) | contexts -> counts -> ngram, plain -> compare
"""
