-- Takes the stand-in for Supabase's login away, with all who can sign in. The roles stay: they belong
-- to the whole cluster, and other databases may use them.
drop schema auth cascade;
