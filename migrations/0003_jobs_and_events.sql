-- The ledger. A job is a row written in its caller's transaction; a doorbell only says that there is something to
-- claim. See kernel/src/jobs.

create table jobs (
  id            uuid primary key,
  kind          text not null,            -- TranscodeMedia, ExtractDocument, ...
  stage         text not null,
  payload       jsonb not null,           -- ids only
  lane          text not null default 'default' check (lane in ('interactive', 'default', 'backfill')),
  priority      smallint not null default 0,       -- higher first, inside its stage
  asset_id      uuid references assets on delete cascade,
  dedupe_key    text,                     -- at most one queued job per key
  request_id    text,                     -- of the HTTP request or command that caused it
  state         text not null default 'queued'
                check (state in ('queued', 'running', 'done', 'dead', 'cancelled', 'parked')),
  attempt       integer not null default 0,        -- counts claims; fences every write of a holder
  failures      integer not null default 0,        -- attempts that ended in an error or a lost worker
  max_failures  integer not null,
  run_at        timestamptz not null default now(),
  lease_until   timestamptz,
  worker        text,                     -- host:pid that holds it
  cancel_wanted boolean not null default false,
  progress_done bigint not null default 0,
  progress_total bigint not null default 0,
  failure_class text check (failure_class in ('poison', 'transient', 'resource', 'dependency', 'lost')),
  failure_code  text,
  failure_reason text,
  failure_detail text,                    -- for operators: error chain, tail of the child's stderr
  created_at    timestamptz not null default now(),
  started_at    timestamptz,              -- of the last attempt
  ended_at      timestamptz,
  constraint jobs_lease check ((state = 'running') = (lease_until is not null)),
  constraint jobs_dead_has_reason check (state <> 'dead' or (failure_code is not null and failure_reason is not null))
);
create index jobs_claim on jobs (stage, priority desc, run_at, id) where state = 'queued';
create index jobs_leases on jobs (lease_until) where state = 'running';
create index jobs_asset on jobs (asset_id);
create unique index jobs_dedupe on jobs (dedupe_key) where state = 'queued';
create index jobs_dead on jobs (ended_at) where state = 'dead';

-- What happened, in the transaction in which it happened. Rows are never changed; the program's role may not.
create table events (
  id         bigint generated always as identity primary key,
  kind       text not null,
  asset_id   uuid,
  job_id     uuid,
  request_id text,
  payload    jsonb not null,
  at         timestamptz not null default now()
);
create index events_asset on events (asset_id, id);

-- Named leases for what only one process may do at a time (the index writer, the janitor). The token fences.
create table leases (
  name   text primary key,
  holder text not null,
  token  bigint not null,
  until  timestamptz not null
);
