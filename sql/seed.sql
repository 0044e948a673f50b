-- Demo data: a small shop's team, its customers, two weeks of history, and chats in every state as of
-- now. Loaded by `make run` into an empty database; logins are made by the program that loads it.
--
-- History is played, not invented: the clock is set back and the same plain writes and functions run
-- as on any other day, so that holds, statistics and history follow from them.

insert into public.fictional_users (id, name) values
  ('00000000-0000-4000-8000-0000000000f1', 'Ava from Support'),
  ('00000000-0000-4000-8000-0000000000f2', 'Theo from Orders');

insert into public.operators (id, name, email, role, capacity, auto_assign, status, status_reason) values
  ('00000000-0000-4000-8000-0000000000ad', 'Ada', 'ada@baton.example', 'admin', 3, false, 'online', null),
  ('00000000-0000-4000-8000-0000000000a1', 'Ana', 'ana@baton.example', 'operator', 1, false, 'online', null),
  ('00000000-0000-4000-8000-0000000000a2', 'Ben', 'ben@baton.example', 'operator', 2, false, 'online', null),
  ('00000000-0000-4000-8000-0000000000a3', 'Cleo', 'cleo@baton.example', 'operator', 2, true, 'away', 'Lunch'),
  ('00000000-0000-4000-8000-0000000000a4', 'Dan', 'dan@baton.example', 'operator', 1, false, 'offline', null);

update public.widget_settings w
set title = 'Larch & Loam',
    greeting = '{"en": "Hello! What can we help you with?", "ar": "مرحبًا! كيف يمكننا مساعدتك؟"}',
    colour = '#22402f',
    languages = array['en', 'ar'],
    fictional_user_id = '00000000-0000-4000-8000-0000000000f1'
where w.is_only;
update public.settings s set value = 'true' where s.name = 'allow_take';

insert into public.quick_responses (shortcut, title, content, owner_id) values
  ('hello', 'Greeting', 'Hello {{customer.name}}, this is {{persona.name}}. How can I help?', null),
  ('order', 'Ask for the order', 'Could you tell me the number of your order? It begins with A and is in your mail.', null),
  ('return', 'How to return', 'Of course. I have sent the label to {{customer.email}}; drop the parcel off anywhere.', null),
  ('bye', 'Goodbye', 'You are welcome! Write here again whenever something is left.', null),
  ('hello', 'My greeting', 'Hi {{customer.name}}, {{operator.name}} here. I will look into it right away.',
    '00000000-0000-4000-8000-0000000000a1');

insert into public.real_users (id, name, is_anonymous)
select ('00000000-0000-4000-8000-' || lpad('c' || n, 12, '0'))::uuid, c.name, false
from (values
  (1, 'Priya'), (2, 'Jonas'), (3, 'Mei'), (4, 'Omar'), (5, 'Lucía'), (6, 'Tomasz'),
  (7, 'Aisha'), (8, 'Noah'), (9, 'Freya'), (10, 'Kenji'), (11, 'Zoe'), (12, 'Layla')
) as c (n, name);

do $$
declare
  v_questions text[] := array[
    'Hi, where is my order? The page says shipped since Monday.',
    'Can I still change the delivery address?',
    'The lamp I got has a scratch. Can you send another one?',
    'Do you have this chair in oak?',
    'My voucher is not accepted at checkout.',
    'How long is the warranty on the desk?',
    'I would like to return two cushions.',
    'Is the blue one back in stock before the weekend?'
  ];
  v_answers text[] := array[
    'I looked it up: it is with the carrier and arrives tomorrow.',
    'Done, I changed it. You get a mail in a minute.',
    'Sorry about that! A new one is on its way, keep the old one.',
    'Yes, in oak and in ash. The oak one ships in three days.',
    'The voucher had expired; I made you a new one: THANKS10.',
    'Five years, with the receipt from your mail.',
    'Of course. The label is in your mail; drop it off anywhere.',
    'It comes in on Thursday. Shall I put one aside for you?'
  ];
  v_operators uuid[] := array(select o.id from public.operators o where o.role = 'operator' order by o.id);
  v_now timestamptz := clock_timestamp();
  v_at timestamptz;
  v_chat_id uuid;
  v_operator_id uuid;
  v_topic integer;
  v_n integer := 0;
begin
  for v_day in reverse 14..1 loop
    for v_slot in 1..6 loop
      v_n := v_n + 1;
      v_topic := 1 + v_n % 8;
      v_operator_id := v_operators[1 + (v_n * 7 + v_day) % 4];
      v_at := date_trunc('day', v_now) - make_interval(days => v_day) + make_interval(hours => 8 + v_slot, mins => v_n * 13 % 60);
      perform set_config('baton.now', v_at::text, true);
      insert into public.chats (real_user_id, fictional_user_id, chat_state, headline)
      values (
        ('00000000-0000-4000-8000-' || lpad('c' || 1 + v_n % 12, 12, '0'))::uuid,
        ('00000000-0000-4000-8000-0000000000f' || 1 + v_n % 2)::uuid,
        'waiting_assignment', left(v_questions[v_topic], 60)
      )
      returning id into v_chat_id;
      insert into public.messages (chat_id, sender_type, content) values (v_chat_id, 'real', v_questions[v_topic]);
      perform set_config('baton.now', (v_at + make_interval(secs => 20 + v_n * 17 % 200))::text, true);
      perform public.reassign_chat(v_chat_id, v_operator_id);
      perform set_config('baton.now', (v_at + make_interval(secs => 260 + v_n * 29 % 300))::text, true);
      if v_n % 11 = 0 then
        -- He dawdled: back to the queue, and a colleague answers.
        perform public.release_and_reassign_chat(v_chat_id, 'idle');
        v_operator_id := v_operators[1 + (v_n * 7 + v_day + 1) % 4];
        perform public.reassign_chat(v_chat_id, v_operator_id);
      end if;
      insert into public.messages (chat_id, sender_type, content) values (v_chat_id, 'operator', v_answers[v_topic]);
      perform set_config('baton.now', (v_at + interval '15 minutes')::text, true);
      perform public.complete_chat(v_chat_id);
    end loop;
  end loop;

  -- Today: seven wait, Ben holds one, two wait for their customers, one is completed.
  for v_n in 1..11 loop
    v_topic := 1 + v_n % 8;
    v_at := v_now - make_interval(mins => 30 - v_n * 2);
    perform set_config('baton.now', v_at::text, true);
    insert into public.chats (id, real_user_id, fictional_user_id, chat_state, headline, priority, context)
    values (
      ('00000000-0000-4000-8000-' || lpad('d' || v_n, 12, '0'))::uuid,
      ('00000000-0000-4000-8000-' || lpad('c' || v_n, 12, '0'))::uuid,
      '00000000-0000-4000-8000-0000000000f1', 'waiting_assignment', left(v_questions[v_topic], 60),
      case v_n when 9 then 5 else 0 end,
      jsonb_build_object('currentPage', '/orders/' || 4700 + v_n)
    )
    returning id into v_chat_id;
    insert into public.messages (chat_id, sender_type, content) values (v_chat_id, 'real', v_questions[v_topic]);
    if v_n > 4 then
      continue;
    end if;
    v_operator_id := v_operators[case v_n when 1 then 2 else 1 end];
    perform set_config('baton.now', (v_at + interval '1 minute')::text, true);
    if v_n = 1 then
      perform set_config('baton.now', v_now::text, true);
    end if;
    perform public.reassign_chat(v_chat_id, v_operator_id);
    if v_n > 1 then
      perform set_config('baton.now', (v_at + interval '3 minutes')::text, true);
      insert into public.messages (chat_id, sender_type, content) values (v_chat_id, 'operator', v_answers[v_topic]);
    end if;
    if v_n = 4 then
      perform public.complete_chat(v_chat_id);
    end if;
  end loop;
  insert into public.chat_notes (chat_id, author_id, content, mentions) values
    ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-0000000000ad',
      'Ben, her last parcel was late too. Offer her the express delivery.', array['00000000-0000-4000-8000-0000000000a2']::uuid[]);
  perform set_config('baton.now', '', true);
end
$$;
