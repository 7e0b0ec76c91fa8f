"""The selection stages of a TradingView system, wrapped for quantflow."""
