-- A recording, document or captions may get another source under the same id. Each other version is an asset of its own that
-- nobody but the editors sees: it is read and encoded like any other, and when all of it is there, one transaction exchanges
-- what the two rows have. So an earlier version is kept whole, and taking it up again is the same exchange. See ingest/src/versions.rs.
alter table assets
  add column version_of   uuid references assets on delete cascade, -- the asset that learners know; null: it is that itself
  add column version      integer not null default 1 check (version >= 1), -- number of the source, in the order of uploads
  add column version_at   timestamptz,                               -- when this source was uploaded; null: created_at
  add column next_version uuid references assets on delete set null, -- the version that is to be shown as soon as it is whole
  drop constraint assets_state_check,
  -- kept: whole, and not shown; an earlier version, or captions that belong to one
  add constraint assets_state_check check (state in ('processing', 'published', 'failed', 'kept')),
  -- Also a worker of the version before cannot show one by itself.
  add constraint assets_version_hidden check (version_of is null or state <> 'published');
create index assets_version_of on assets (version_of) where version_of is not null;

-- Pictures that instructors uploaded for a video. The row is written before the object, so that nobody sweeps it as an orphan.
create table posters (
  prefix   text primary key,              -- the picture is <prefix>/uploaded.jpg
  asset_id uuid not null references assets on delete cascade,
  stored   boolean not null default false,
  made_at  timestamptz not null default now()
);
create index posters_asset on posters (asset_id);
