"""The companion page: a small web server on this machine that is an ordinary client of the server. See `app.py`."""
