-- The schema private stays: the loader keeps its record of migrations there.
drop table public.settings;
drop table public.operators;
drop table public.fictional_users;
drop table public.real_users;
