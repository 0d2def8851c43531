"""Other processes of this program on the same account: how they are seen, and how they see us."""

from serving.rivals.rival_watch import RivalWatch

__all__ = ["RivalWatch"]
