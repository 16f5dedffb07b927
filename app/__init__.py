"""The dashboard: what a workspace holds, for municipal planners, in French."""
