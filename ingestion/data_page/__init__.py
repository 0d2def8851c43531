"""Is my data all right? One verdict for every screen, and a page with coverage as a picture."""
