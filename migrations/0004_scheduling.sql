-- Who runs next, how many at a time, and who said so. See kernel/src/jobs.

-- A job waits in one of two states: `queued`, when a worker may take it now, and `parked` until `run_at`, when it backs
-- off after a failure or a service it needs is away. So a claim never steps over rows that are not due.
alter table jobs
  add column version        integer not null default 1,  -- of the payload; a worker takes what it knows
  add column owner_id       uuid,                         -- the account whose share it uses; null: the system's own
  add column turn           bigint not null default 0,    -- place in its lane, see job_turn
  add column limits_factor  real not null default 1,      -- grows when an attempt met a limit of memory or time
  add column used_memory_bytes bigint,                    -- peak of the last attempt's children
  add column used_cpu_seconds  real;                      -- of the last attempt's children
-- `priority` means nothing any more; it stays until no worker of the version before can be running.

drop index jobs_claim;
drop index jobs_leases;
drop index jobs_dedupe;
create index jobs_claim on jobs (stage, lane, turn, id) where state = 'queued';
create index jobs_share on jobs (stage, lane, owner_id, turn) where state in ('queued', 'parked', 'running') and owner_id is not null;
create index jobs_parked on jobs (run_at) where state = 'parked';
-- Names no column that a heartbeat changes, so that heartbeats stay within their page (HOT).
create index jobs_running on jobs (stage) where state = 'running';
create index jobs_ended on jobs (stage, ended_at) where state in ('done', 'dead');
create unique index jobs_dedupe on jobs (dedupe_key) where state in ('queued', 'parked');
update jobs set state = 'parked' where state = 'queued' and run_at > now();

-- Rows change several times in a short life: leave room in the page, and sweep early.
alter table jobs set (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);

-- The place of a new job in its lane, in microseconds since 1970: now, but a day after the last one of the same owner
-- that has not ended. One who brings 500 stands with the second a day, with the third two days behind everybody's
-- first; one who has waited long enough is in front of all who come later, so nobody starves.
create function job_turn(stage text, lane text, owner uuid) returns bigint language sql volatile as $$
  select greatest(
    (extract(epoch from clock_timestamp()) * 1000000)::bigint,
    coalesce((select max(turn) + 86400000000 from jobs
               where jobs.stage = $1 and jobs.lane = $2 and jobs.owner_id = $3 and jobs.state in ('queued', 'parked', 'running')), 0))
$$;

-- What an operator set over workers.toml. An empty host means all of them; a host's own line goes before it.
create table settings (
  key    text not null,                   -- as in workers.toml: stages.transcode.concurrency
  host   text not null default '',
  value  jsonb not null,
  set_by text not null,
  set_at timestamptz not null default now(),
  primary key (key, host)
);

-- Stages that take no new jobs. An empty stage means all of the host's: the host drains.
create table pauses (
  stage     text not null default '',
  host      text not null default '',
  reason    text not null default '',
  paused_by text not null,
  paused_at timestamptz not null default now(),
  primary key (stage, host)
);

-- Worker processes, as they last reported; what the operator's page and the forecasts look at.
create table workers (
  name       text primary key,            -- host:pid namespace:pid
  host       text not null,
  version    text not null,               -- of the program
  pools      jsonb not null,              -- per stage: concurrency, running, estimate, why it takes nothing
  memory_bytes bigint not null,           -- what its jobs may use together
  breakers   jsonb not null default '[]', -- dependencies that do not answer, seen from here
  started_at timestamptz not null,
  seen_at    timestamptz not null default now()
);
create index workers_seen on workers (seen_at);
