-- Packages that were replaced a moment ago. Whoever was in the middle of one can finish what is loaded and go on with the
-- new one; the janitor forgets a row after a grace, and sweeps the objects that no row names any more. See src/janitor.rs.
create table replaced_streams (
  prefix      text primary key,
  asset_id    uuid not null references assets on delete cascade,
  manifest    jsonb not null,             -- as in streams: what its playlists need to know
  replaced_at timestamptz not null default now()
);
create index replaced_streams_asset on replaced_streams (asset_id);

-- By a trigger, so that nobody who writes a stream can forget it, nor a worker of the version before this one.
create function keep_replaced_stream() returns trigger language plpgsql as $$
begin
  insert into replaced_streams (prefix, asset_id, manifest) values (old.prefix, old.asset_id, old.manifest)
  on conflict (prefix) do update set replaced_at = now();
  delete from replaced_streams where prefix = new.prefix;
  return null;
end
$$;
create trigger streams_replaced after update of prefix on streams
  for each row when (old.prefix is distinct from new.prefix) execute function keep_replaced_stream();
