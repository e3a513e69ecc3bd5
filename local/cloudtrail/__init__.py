"""CloudTrail: who called what, for LookupEvents and in the buckets of trails."""
