-- Takes the stand-in for Supabase's storage away, with what is known of every file; their bytes stay in the
-- folder of the web layer.
drop schema storage cascade;
