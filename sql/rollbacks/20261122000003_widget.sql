insert into public.settings (name, value, kind, description)
select 'default_handling', to_jsonb(w.handling), 'handling', 'How a new chat is handled: turn or session'
from public.widget_settings w;
drop table private.operator_invitations;
drop table public.chat_ratings;
drop table public.widget_settings;
alter table public.real_users drop column introduced_at;
