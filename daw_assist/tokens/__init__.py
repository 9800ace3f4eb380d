"""Between bars and token ids: vocabulary, encoding, decoding, and which token may follow."""
