-- Captions that an operator's speech-to-text engine has made are an asset of their own, marked `auto` until a person saves them.
-- A recording has at most one such; see transcode/src/speech.
create unique index assets_automatic on assets (parent_id) where auto;
