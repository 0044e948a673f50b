alter table private.events drop column note_id;
drop table public.agent_preferences, public.quick_responses, public.chat_mentions, public.chat_notes;
