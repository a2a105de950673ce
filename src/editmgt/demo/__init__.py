"""``editmgt demo``: a page on this machine where pictures are edited, looked into, and compared."""
