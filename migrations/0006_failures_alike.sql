-- A job that lost its worker four times and then met a full disk has not met a limit five times: what a class of failure
-- allows is counted by itself. See kernel/src/jobs/failure.rs.
alter table jobs
  add column failures_alike integer not null default 0; -- how many of the last failures in a row were of the last one's kind
