"""Unattended life: schedules, sessions, garbage, starting a workspace."""
