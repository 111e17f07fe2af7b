"""A leaderboard of JSON records, one per method, settings and radius, that are checked as they are read."""

from analyses.method_comparison.leaderboard.files import leaderboard_records, read_leaderboard, write_leaderboard
from analyses.method_comparison.leaderboard.records import LeaderboardRecord
from analyses.method_comparison.leaderboard.table import recorded_outcomes

__all__ = ["LeaderboardRecord", "leaderboard_records", "read_leaderboard", "recorded_outcomes", "write_leaderboard"]
