"""Model families: how each is put together and fitted."""
