"""Speed, always as ratios within one run, so that a busy machine moves both sides."""
