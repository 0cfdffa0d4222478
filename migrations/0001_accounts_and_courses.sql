-- Who is who, and what is taught. Ids are UUIDv7, made by the program, so that they sort by time.

create table accounts (
  id            uuid primary key,
  email         text not null,          -- lower case, the login name
  name          text not null,          -- as it is to stand on a certificate
  password_hash text not null,          -- argon2id, PHC string
  role          text not null check (role in ('student', 'instructor', 'admin')),
  created_at    timestamptz not null default now(),
  constraint accounts_email_key unique (email),
  constraint accounts_email_lower check (email = lower(email))
);

-- A refresh token is spent once. A family is one sign-in; a token of it used twice revokes all of it.
create table refresh_tokens (
  token_hash bytea primary key,         -- SHA-256 of the token; the token itself is never stored
  family     uuid not null,
  account_id uuid not null references accounts on delete cascade,
  issued_at  timestamptz not null default now(),
  expires_at timestamptz not null,
  spent_at   timestamptz,
  revoked_at timestamptz
);
create index refresh_tokens_family on refresh_tokens (family);
create index refresh_tokens_account on refresh_tokens (account_id);

create table courses (
  id           uuid primary key,
  owner_id     uuid not null references accounts,
  title        text not null check (length(title) between 1 and 200),
  summary      text not null default '' check (length(summary) <= 10000),
  state        text not null default 'draft' check (state in ('draft', 'published', 'archived')),
  version      integer not null default 1,   -- counts edits; the ETag
  created_at   timestamptz not null default now(),
  updated_at   timestamptz not null default now(),
  published_at timestamptz
);
create index courses_owner on courses (owner_id);

create table modules (
  id        uuid primary key,
  course_id uuid not null references courses on delete cascade,
  title     text not null check (length(title) between 1 and 200),
  position  integer not null
);
create index modules_course on modules (course_id, position);

create table lessons (
  id        uuid primary key,
  module_id uuid not null references modules on delete cascade,
  title     text not null check (length(title) between 1 and 200),
  position  integer not null
);
create index lessons_module on lessons (module_id, position);

create table enrollments (
  id           uuid primary key,
  course_id    uuid not null references courses on delete cascade,
  account_id   uuid not null references accounts on delete cascade,
  enrolled_at  timestamptz not null default now(),
  completed_at timestamptz,                  -- set once, by the last lesson's completion
  constraint enrollments_once unique (course_id, account_id)
);
create index enrollments_account on enrollments (account_id);

create table lesson_completions (
  enrollment_id uuid not null references enrollments on delete cascade,
  lesson_id     uuid not null references lessons on delete cascade,
  completed_at  timestamptz not null default now(),
  primary key (enrollment_id, lesson_id)
);
