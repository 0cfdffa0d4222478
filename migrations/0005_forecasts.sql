-- What was expected of assets on their way, and what came of it: the range shown to instructors is as wide as recent
-- forecasts were wrong. See kernel/src/jobs/forecast.rs.
create table forecasts (
  asset_id         uuid not null references assets on delete cascade,
  made_at          timestamptz not null default now(),
  expected_seconds real not null check (expected_seconds > 0),
  ratio            real,                  -- time it really took over expected_seconds, once it is published
  judged_at        timestamptz,
  primary key (asset_id, made_at)
);
create index forecasts_judged on forecasts (judged_at) where ratio is not null;
create index forecasts_open on forecasts (asset_id) where ratio is null;
