"""Models in the trading process: the champion, its challenger, and the scores they give."""
