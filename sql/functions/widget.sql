-- The widget: how an admin has set it up, whether anybody is there, and what a customer says of himself.

create or replace function private.is_email(p_text text)
returns boolean
language sql
immutable
set search_path = ''
as $$ select p_text ~ '^[^@[:space:][:cntrl:],;:<>()"\\\[\]]+@[^@[:space:][:cntrl:],;:<>()"\\\[\]]+$' and char_length(p_text) <= 320 $$;

comment on function private.is_email(text) is 'Whether this has the form of one address, and of no more than one.';
revoke execute on function private.is_email(text) from public, anon, authenticated, service_role;

-- What is wrong with the value of one field, for people; null: nothing.

create or replace function private.texts_problem(p_texts jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when jsonb_typeof(p_texts) is distinct from 'object' then 'is an object of texts by language'
    when (select count(*) > 20 from jsonb_object_keys(p_texts)) then 'has at most 20 languages'
    when exists (select from jsonb_object_keys(p_texts) as k (language) where k.language !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$')
      then 'has languages as keys, such as en or pt-BR'
    when exists (
      select from jsonb_each(p_texts) e
      where jsonb_typeof(e.value) <> 'string' or char_length(e.value #>> '{}') not between 1 and 2000
    ) then 'has texts of 1 to 2,000 characters'
  end
$$;

comment on function private.texts_problem(jsonb) is 'What is wrong with texts by language; null: nothing.';
revoke execute on function private.texts_problem(jsonb) from public, anon, authenticated, service_role;

create or replace function private.hours_problem(p_hours jsonb)
returns text
language plpgsql
immutable
set search_path = ''
as $$
declare
  v_day record;
  v_interval jsonb;
  v_from text;
  v_to text;
  v_last text;
begin
  if jsonb_typeof(p_hours) is distinct from 'object' then
    return 'is an object of intervals by day, mon to sun';
  end if;
  for v_day in select e.key as name, e.value as intervals from jsonb_each(p_hours) e loop
    if v_day.name not in ('mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun') then
      return 'has the days mon, tue, wed, thu, fri, sat and sun';
    elsif jsonb_typeof(v_day.intervals) <> 'array' then
      return v_day.name || ' is a list of intervals';
    elsif jsonb_array_length(v_day.intervals) > 10 then
      return v_day.name || ' has at most 10 intervals';
    end if;
    v_last := '00:00';
    for v_interval in select i.value from jsonb_array_elements(v_day.intervals) with ordinality as i (value, n) order by i.n loop
      v_from := case when jsonb_typeof(v_interval) = 'array' and v_interval -> 2 is null then v_interval ->> 0 end;
      v_to := case when jsonb_typeof(v_interval) = 'array' then v_interval ->> 1 end;
      if v_from is null or v_to is null
        or v_from !~ '^([01][0-9]|2[0-3]):[0-5][0-9]$' or v_to !~ '^(([01][0-9]|2[0-3]):[0-5][0-9]|24:00)$'
      then
        return v_day.name || ' has intervals such as ["09:00", "17:00"]; the last may end at 24:00';
      elsif v_to::time <= v_from::time then
        return v_day.name || ' has an interval that does not end after it begins; what goes on after midnight is the next day''s';
      elsif v_from::time < v_last::time then
        return v_day.name || ' has intervals that are not one after the other';
      end if;
      v_last := v_to;
    end loop;
  end loop;
  return null;
end
$$;

comment on function private.hours_problem(jsonb) is 'What is wrong with business hours; null: nothing.';
revoke execute on function private.hours_problem(jsonb) from public, anon, authenticated, service_role;

create or replace function private.pre_chat_problem(p_fields jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when jsonb_typeof(p_fields) is distinct from 'array' then 'is a list of fields'
    when exists (
      select from jsonb_array_elements(p_fields) f
      where jsonb_typeof(f) <> 'object'
        or case when jsonb_typeof(f) = 'object' then
          f - array['field', 'is_required'] <> '{}'
          or coalesce(f ->> 'field', '') not in ('name', 'email', 'topic')
          or jsonb_typeof(f -> 'is_required') is distinct from 'boolean'
        end
    ) then 'has fields such as {"field": "email", "is_required": true}; field is name, email or topic'
    when (select count(*) > count(distinct f ->> 'field') from jsonb_array_elements(p_fields) f) then 'has each field once'
  end
$$;

comment on function private.pre_chat_problem(jsonb) is 'What is wrong with the fields of the form before a chat; null: nothing.';
revoke execute on function private.pre_chat_problem(jsonb) from public, anon, authenticated, service_role;

create or replace function private.languages_problem(p_languages jsonb)
returns text
language sql
immutable
set search_path = ''
as $$
  select case
    when jsonb_typeof(p_languages) is distinct from 'array' then 'is a list of languages'
    when jsonb_array_length(p_languages) not between 1 and 20 then 'has 1 to 20 languages'
    when exists (
      select from jsonb_array_elements(p_languages) l
      where jsonb_typeof(l) <> 'string' or l #>> '{}' !~ '^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$'
    ) then 'has languages such as en or pt-BR'
    when (select count(*) > count(distinct l) from jsonb_array_elements(p_languages) l) then 'has each language once'
  end
$$;

comment on function private.languages_problem(jsonb) is 'What is wrong with a list of languages; null: nothing.';
revoke execute on function private.languages_problem(jsonb) from public, anon, authenticated, service_role;

create or replace function private.widget_problem(p_name text, p_value jsonb)
returns text
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_text text := case when jsonb_typeof(p_value) = 'string' then p_value #>> '{}' end;
begin
  return case
    when p_name = 'title' then
      case when v_text is null or btrim(v_text) = '' or char_length(v_text) > 80 then 'has 1 to 80 characters' end
    when p_name in ('greeting', 'offline_message') then private.texts_problem(p_value)
    when p_name = 'colour' then
      case when v_text is null or v_text !~* '^#[0-9a-f]{6}$' then 'is a colour such as #b3361b' end
    when p_name = 'position' then
      case when v_text is null or v_text not in ('right', 'left') then 'is right or left' end
    when p_name = 'languages' then private.languages_problem(p_value)
    when p_name = 'fictional_user_id' then
      case when p_value <> 'null' and not exists (select from public.fictional_users f where f.id::text = lower(v_text))
        then 'is the id of a persona, or null' end
    when p_name in ('is_open_always', 'allow_files', 'allow_emoji', 'ask_rating') then
      case when jsonb_typeof(p_value) <> 'boolean' then 'is true or false' end
    when p_name = 'business_hours' then private.hours_problem(p_value)
    when p_name = 'pre_chat' then private.pre_chat_problem(p_value)
    when p_name = 'mode' then
      case when v_text is null or v_text not in ('queue', 'race') then 'is queue or race' end
    when p_name = 'handling' then
      case when v_text is null or v_text not in ('turn', 'session') then 'is turn or session' end
    when p_name = 'privacy_url' then
      case when p_value <> 'null' and (v_text is null or v_text !~ '^https?://[^[:space:]]+$' or char_length(v_text) > 2000)
        then 'is an address that begins with https://, or null' end
    else 'is none of the widget''s settings'
  end;
end
$$;

comment on function private.widget_problem(text, jsonb) is 'What is wrong with the value of a setting of the widget; null: nothing.';
revoke execute on function private.widget_problem(text, jsonb) from public, anon, authenticated, service_role;

create or replace function private.check_widget(p_values jsonb)
returns void
language sql
stable
security definer
set search_path = ''
as $$
  select private.check_fields(jsonb_object_agg(e.key, private.widget_problem(e.key, e.value))) from jsonb_each(p_values) e
$$;

comment on function private.check_widget(jsonb) is 'Refuses invalid_argument, its hint a line for each field that is wrong.';
revoke execute on function private.check_widget(jsonb) from public, anon, authenticated, service_role;

create or replace function private.tg_widget_settings__check()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  if tg_op = 'INSERT' then
    perform private.check_widget(to_jsonb(new) - array['is_only', 'updated_at']);
  elsif new is distinct from old then
    -- Only what changes: a persona that is just being deleted is no longer there.
    perform private.check_widget(coalesce((
      select jsonb_object_agg(n.key, n.value)
      from jsonb_each(to_jsonb(new) - array['is_only', 'updated_at']) n
      where n.value is distinct from to_jsonb(old) -> n.key
    ), '{}'));
    new.updated_at := private.now();
  end if;
  return new;
end
$$;

comment on function private.tg_widget_settings__check() is 'Refuses values that the widget could not be shown with (invalid_argument, the field in the hint).';
revoke execute on function private.tg_widget_settings__check() from public, anon, authenticated, service_role;

create or replace function private.tg_widget_settings__audit()
returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
  perform private.audit('widget_setting.changed', null, jsonb_build_object(
    'name', n.key, 'from', private.audit_value(to_jsonb(old) -> n.key), 'to', private.audit_value(n.value)
  ))
  from jsonb_each(to_jsonb(new) - 'updated_at') n
  where n.value is distinct from to_jsonb(old) -> n.key
  order by n.key;
  return null;
end
$$;

comment on function private.tg_widget_settings__audit() is 'Logs each setting of the widget that was changed.';
revoke execute on function private.tg_widget_settings__audit() from public, anon, authenticated, service_role;

-- Business hours are what the clocks on the wall show in the organisation's time zone. So where clocks are put
-- back they may open twice in a night, and what lies in the hour that is left out does not happen.

create or replace function private.is_open_at(p_at timestamptz, p_hours jsonb, p_time_zone text)
returns boolean
language sql
stable
set search_path = ''
as $$
  select exists (
    select from jsonb_array_elements(p_hours -> to_char(l.at, 'dy')) i
    where l.at::time >= (i ->> 0)::time and l.at::time < (i ->> 1)::time
  )
  from (select p_at at time zone p_time_zone) as l (at)
$$;

comment on function private.is_open_at(timestamptz, jsonb, text) is 'Whether these business hours are open at that time.';
revoke execute on function private.is_open_at(timestamptz, jsonb, text) from public, anon, authenticated, service_role;

create or replace function private.utc_offset(p_at timestamptz, p_time_zone text)
returns interval
language sql
stable
set search_path = ''
as $$ select (p_at at time zone p_time_zone) - (p_at at time zone 'UTC') $$;

comment on function private.utc_offset(timestamptz, text) is 'By how much clocks in this time zone are ahead of UTC at that time.';
revoke execute on function private.utc_offset(timestamptz, text) from public, anon, authenticated, service_role;

-- It opens when a clock on the wall shows the beginning of an interval, by whatever offset from UTC is in force
-- then, or when the clocks are changed. Fifteen days, since a week's only interval may be left out.
create or replace function private.next_opening(p_after timestamptz, p_hours jsonb, p_time_zone text)
returns timestamptz
language sql
stable
set search_path = ''
as $$
  with days as (
    select d as at, private.utc_offset(d, p_time_zone) as utc_offset
    from generate_series(
      date_trunc('hour', p_after) - interval '24 hours', p_after + interval '16 days', interval '24 hours'
    ) d
  ), changes as (
    select q as at
    from (select d.*, lag(d.utc_offset) over (order by d.at) as offset_before from days d) d
    cross join lateral generate_series(d.at - interval '24 hours', d.at, interval '15 minutes') q  -- at no other minute
    where d.utc_offset <> d.offset_before
      and private.utc_offset(q, p_time_zone) <> private.utc_offset(q - interval '15 minutes', p_time_zone)
  ), candidates as (
    select (d.day + (i ->> 0)::time - o.utc_offset) at time zone 'UTC' as at
    from (select (p_after at time zone p_time_zone)::date + n as day from generate_series(0, 15) n) d
    cross join lateral jsonb_array_elements(p_hours -> to_char(d.day::timestamp, 'dy')) i
    cross join (select distinct d.utc_offset from days d) o
    union all
    select c.at from changes c
  )
  select min(c.at) from candidates c where c.at > p_after and private.is_open_at(c.at, p_hours, p_time_zone)
$$;

comment on function private.next_opening(timestamptz, jsonb, text) is 'When these business hours, closed at that time, open next; null: never.';
revoke execute on function private.next_opening(timestamptz, jsonb, text) from public, anon, authenticated, service_role;

create or replace function private.get_widget_settings()
returns jsonb
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_now timestamptz := private.now();
  v_time_zone text := private.setting('time_zone');
  v_widget public.widget_settings;
  v_is_open boolean;
begin
  select w.* into strict v_widget from public.widget_settings w;
  v_is_open := v_widget.is_open_always or private.is_open_at(v_now, v_widget.business_hours, v_time_zone);
  return to_jsonb(v_widget) - array['is_only', 'fictional_user_id', 'is_open_always', 'business_hours', 'updated_at']
    || jsonb_build_object(
      'persona', (
        select jsonb_build_object('name', f.name, 'avatar_url', f.avatar_url)
        from public.fictional_users f
        where f.id = v_widget.fictional_user_id and f.is_active
      ),
      'is_open', v_is_open,
      'opens_at', case when not v_is_open then private.next_opening(v_now, v_widget.business_hours, v_time_zone) end,
      'available', exists (select from public.operators o where o.is_active and o.status = 'online' and o.capacity > 0)
    );
end
$$;

revoke execute on function private.get_widget_settings() from public;
grant execute on function private.get_widget_settings() to anon, authenticated, service_role;

create or replace function public.get_widget_settings()
returns jsonb
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_widget_settings() $$;

comment on function public.get_widget_settings() is 'How the widget looks and behaves, for everybody: the columns of widget_settings but those that are the staff''s, and "persona" {"name", "avatar_url"} or null, "is_open" by the business hours, "opens_at" (null: it is open, or never opens), "available" (somebody is online).';
revoke execute on function public.get_widget_settings() from public;
grant execute on function public.get_widget_settings() to anon, authenticated, service_role;

create or replace function private.get_all_widget_settings()
returns public.widget_settings
language plpgsql
stable
security definer
set search_path = ''
as $$
declare
  v_widget public.widget_settings;
begin
  perform private.require_admin();
  select w.* into strict v_widget from public.widget_settings w;
  return v_widget;
end
$$;

revoke execute on function private.get_all_widget_settings() from public, anon;
grant execute on function private.get_all_widget_settings() to authenticated, service_role;

create or replace function public.get_all_widget_settings()
returns public.widget_settings
language sql
stable
security invoker
set search_path = ''
as $$ select private.get_all_widget_settings() $$;

comment on function public.get_all_widget_settings() is 'The settings of the widget as an admin changes them. Admins and the service. Refuses: not_signed_in, not_allowed, operator_inactive.';
revoke execute on function public.get_all_widget_settings() from public, anon;
grant execute on function public.get_all_widget_settings() to authenticated, service_role;

create or replace function private.set_widget_settings(p_changes jsonb)
returns public.widget_settings
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_widget public.widget_settings;
begin
  perform private.require_admin();
  if jsonb_typeof(p_changes) is distinct from 'object' then
    perform private.refuse('invalid_argument', 'p_changes is an object of settings.');
  end if;
  perform private.check_widget(p_changes);
  select w.* into strict v_widget from public.widget_settings w for no key update;
  v_widget := jsonb_populate_record(v_widget, p_changes);
  update public.widget_settings w
  set title = v_widget.title,
      greeting = v_widget.greeting,
      offline_message = v_widget.offline_message,
      colour = v_widget.colour,
      position = v_widget.position,
      languages = v_widget.languages,
      fictional_user_id = v_widget.fictional_user_id,
      is_open_always = v_widget.is_open_always,
      business_hours = v_widget.business_hours,
      pre_chat = v_widget.pre_chat,
      mode = v_widget.mode,
      handling = v_widget.handling,
      allow_files = v_widget.allow_files,
      allow_emoji = v_widget.allow_emoji,
      ask_rating = v_widget.ask_rating,
      privacy_url = v_widget.privacy_url
  where w.is_only
  returning w.* into v_widget;
  return v_widget;
end
$$;

revoke execute on function private.set_widget_settings(jsonb) from public, anon;
grant execute on function private.set_widget_settings(jsonb) to authenticated, service_role;

create or replace function public.set_widget_settings(p_changes jsonb)
returns public.widget_settings
language sql
volatile
security invoker
set search_path = ''
as $$ select private.set_widget_settings(p_changes) $$;

comment on function public.set_widget_settings(jsonb) is 'Changes settings of the widget, all that p_changes names or none, and returns all. Admins and the service. Refuses: not_signed_in, not_allowed, operator_inactive, invalid_argument (the hint names each field that is wrong, on a line of its own).';
revoke execute on function public.set_widget_settings(jsonb) from public, anon;
grant execute on function public.set_widget_settings(jsonb) to authenticated, service_role;

-- What the form before a chat asks. What the host page vouches for stays.
create or replace function private.introduce_myself(p_name text, p_email text)
returns public.real_users
language plpgsql
volatile
security definer
set search_path = ''
as $$
declare
  v_name text := btrim(p_name);
  v_email text := btrim(p_email);
  v_id uuid := private.require_person();
  v_is_known boolean;
  v_user public.real_users;
begin
  if coalesce(v_name, v_email) is null then
    perform private.refuse('invalid_argument', 'name: a name or an address is needed.');
  elsif v_name = '' or char_length(v_name) > 200 then
    perform private.refuse('invalid_argument', 'name: has 1 to 200 characters.');
  elsif private.is_email(v_email) is false then
    perform private.refuse('invalid_argument', 'email: is an address such as kim@example.com.');
  end if;
  perform private.become_customer();
  v_is_known := exists (select from private.host_users h where h.user_id = v_id);
  update public.real_users u
  set name = case when v_is_known then coalesce(u.name, v_name) else coalesce(v_name, u.name) end,
      email = case when v_is_known then coalesce(u.email, v_email) else coalesce(v_email, u.email) end,
      introduced_at = case when v_is_known then u.introduced_at else private.now() end
  where u.id = v_id
  returning u.* into v_user;
  return v_user;
end
$$;

revoke execute on function private.introduce_myself(text, text) from public, anon;
grant execute on function private.introduce_myself(text, text) to authenticated, service_role;

create or replace function public.introduce_myself(p_name text default null, p_email text default null)
returns public.real_users
language sql
volatile
security invoker
set search_path = ''
as $$ select private.introduce_myself(p_name, p_email) $$;

comment on function public.introduce_myself(text, text) is 'The customer says who he is; null leaves what is known, and so does a name or address that the host page has given. Returns his row. Refuses: not_signed_in, not_allowed (operators), invalid_argument (the hint names the field), conflict.';
revoke execute on function public.introduce_myself(text, text) from public, anon;
grant execute on function public.introduce_myself(text, text) to authenticated, service_role;
