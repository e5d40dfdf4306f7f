"""Jobs: their states, their queue, and the worker processes that do them."""
