"""The log of the trading process: JSON lines in rotating private files, without secrets, and never in trading's way."""

from serving.logs.progress import LoggedProgress
from serving.logs.setting_up import writing_log

__all__ = ["LoggedProgress", "writing_log"]
