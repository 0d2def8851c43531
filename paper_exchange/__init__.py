"""An OKX-v5-compatible exchange on localhost: reached over HTTP only, imported by no other package of the product."""
