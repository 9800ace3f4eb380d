"""The model at work: sampling, generation, the engine process and how it is kept alive."""
