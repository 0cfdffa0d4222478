-- What people add to a recording: chapters, captions corrected by hand, the picture it is shown by; and where each of its
-- viewers stopped.

alter table assets
  add column chapters_version integer not null default 0,      -- counts edits, the ETag; 0: the chapters of the file itself count
  add column captions_version integer not null default 1,      -- counts edits in the browser, the ETag
  add column auto             boolean not null default false,  -- captions: made by a machine, and no person has saved them since
  add column sdh              boolean not null default false,  -- captions: they also tell what is heard besides speech
  add column forced           boolean not null default false,  -- captions: shown always, for what is foreign in the recording
  add column poster_file      text;                            -- which of the package's posters was chosen; null: its own choice
-- From now on `language` is what a person or the file's name said; what was found in the text is in documents alone.

-- The chapters of a recording as they were edited; see assets.chapters_version.
create table chapters (
  asset_id uuid not null references assets on delete cascade,
  start_ms bigint not null check (start_ms >= 0),
  title    text not null check (length(title) between 1 and 200),
  constraint chapters_once primary key (asset_id, start_ms)
);

-- Where somebody stopped watching, so that they go on there on any device.
create table positions (
  account_id uuid not null references accounts on delete cascade,
  asset_id   uuid not null references assets on delete cascade,
  at_ms      bigint not null check (at_ms >= 0),
  updated_at timestamptz not null,
  primary key (account_id, asset_id)
);
create index positions_asset on positions (asset_id);
