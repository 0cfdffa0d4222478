-- What was uploaded, and everything derived from it. A derived row is the switch that makes the objects under
-- its prefix real; an object under assets/ that no row names is an orphan, and the janitor sweeps it.

-- Stored bytes, once per content: the object is sources/<sha256 in hex>.
create table sources (
  sha256    bytea primary key check (length(sha256) = 32),
  bytes     bigint not null check (bytes > 0),
  stored_at timestamptz not null default now()
);

create table assets (
  id              uuid primary key,
  course_id       uuid not null references courses,
  owner_id        uuid not null references accounts,
  parent_id       uuid references assets on delete set null,  -- captions: the video they belong to
  file_name       text not null check (length(file_name) between 1 and 255),  -- as sent, shown only, never a path
  title           text not null,
  kind            text check (kind in ('video', 'audio', 'document', 'captions')),  -- null until ingested
  media_type      text,                                        -- MIME type found in the bytes
  source_sha256   bytea not null references sources,
  state           text not null default 'processing' check (state in ('processing', 'published', 'failed')),
  failure_code    text,
  failure_reason  text,                                        -- a sentence for the instructor
  failure_stage   text,
  failure_attempt integer,
  language        text,                                        -- ISO 639-3, where it is known
  created_at      timestamptz not null default now(),
  published_at    timestamptz,
  constraint assets_failure_complete check
    ((state = 'failed') = (failure_code is not null and failure_reason is not null and failure_stage is not null)),
  constraint assets_published_complete check (state <> 'published' or (kind is not null and published_at is not null))
);
create index assets_course on assets (course_id, created_at);
create index assets_unpublished on assets (course_id) where state <> 'published';
create index assets_parent on assets (parent_id);
create index assets_source on assets (source_sha256);

create table lesson_assets (
  lesson_id uuid not null references lessons on delete cascade,
  asset_id  uuid not null references assets on delete cascade,
  position  integer not null,
  primary key (lesson_id, asset_id)
);
create index lesson_assets_asset on lesson_assets (asset_id);

-- Output of TranscodeMedia: an HLS package at <prefix>/master.m3u8.
create table streams (
  asset_id    uuid primary key references assets on delete cascade,
  prefix      text not null,
  duration_ms bigint not null check (duration_ms >= 0),
  width       integer,                    -- of the largest rendition; null for audio
  height      integer,
  poster      text,                       -- object key; null for audio
  manifest    jsonb not null,             -- transcode::Manifest
  made_by     integer not null,           -- version of the encoder that made it
  made_at     timestamptz not null default now()
);

-- Output of ExtractDocument; captions have their clean WebVTT at <prefix>/captions.vtt.
create table documents (
  asset_id uuid primary key references assets on delete cascade,
  prefix   text,                          -- null when nothing but rows came out
  pages    integer,                       -- null for what has no pages
  language text,
  notice   text,                          -- a code such as no_text_layer: published, but the instructor should know
  outline  jsonb not null default '[]',
  made_by  integer not null,
  made_at  timestamptz not null default now()
);

create table chunks (
  id           uuid primary key,          -- UUIDv5 of asset, ordinal and content hash: stable when nothing changed
  asset_id     uuid not null references assets on delete cascade,
  ordinal      integer not null check (ordinal >= 0),
  text         text not null,
  heading_path text[] not null default '{}',
  locator      jsonb not null,            -- kernel::locator::Locator
  content_hash bytea not null check (length(content_hash) = 32),
  tokens       integer not null,
  constraint chunks_ordinal unique (asset_id, ordinal)
);
create index chunks_hash on chunks (content_hash);

-- Assets whose documents in the full-text index are out of date. The writer commits the index first and only then
-- forgets the mark it saw; a mark made meanwhile has a higher number and stays.
create sequence index_marks;
create table index_dirty (
  asset_id uuid primary key,              -- no foreign key: a deleted asset must still leave the index
  mark     bigint not null default nextval('index_marks')
);
create table index_state (
  asset_id   uuid primary key references assets on delete cascade,
  chunks     integer not null,            -- chunk documents the index holds for it
  indexed_at timestamptz not null default now()
);

-- Certificates are issued once per learner and course; what the paper says is kept as it was on that day.
create table certificates (
  id              uuid primary key,
  enrollment_id   uuid not null references enrollments,
  course_id       uuid not null references courses,
  account_id      uuid not null references accounts,
  learner_name    text not null,
  course_title    text not null,
  instructor_name text not null,
  completed_on    date not null,
  object_key      text,                   -- null until rendered
  sha256          bytea,                  -- of the PDF
  issued_at       timestamptz,
  created_at      timestamptz not null default now(),
  constraint certificates_once unique (course_id, account_id),
  constraint certificates_issued check ((issued_at is null) = (object_key is null) and (issued_at is null) = (sha256 is null))
);
create index certificates_sha256 on certificates (sha256);
