"""What `daw-assist bench live` is made of: a JACK server, a DAW and an echo of its own, and the account of what was heard."""
