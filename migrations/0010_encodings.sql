-- A recording on its way to a stream: what was planned of it, and its runs of segments, each encoded by a job of its own. All
-- of it is written below one prefix, whoever encodes what; in the end that is the stream's. See transcode/src/encode_run.rs.
create table encodings (
  asset_id   uuid primary key references assets on delete cascade,
  prefix     text not null unique,
  plan       jsonb not null,              -- transcode::Planned
  planned_at timestamptz not null default now()
);

create table runs (
  prefix text not null references encodings (prefix) on delete cascade,
  number integer not null check (number >= 0),  -- in the order in which they are wanted
  first  integer not null check (first >= 1),   -- number of its first segment
  sound  boolean not null,                -- of the sound; otherwise of all pictures
  made   jsonb,                           -- transcode::run::Made; null until it is encoded
  primary key (prefix, number)
);

-- A stream can be watched as soon as its beginning is there: a draft, until it is complete.
alter table streams add complete boolean not null default true;
