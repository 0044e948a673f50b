// The operator's workspace.

import { enter } from "../parts/staff.js";
import "../parts/composer.js";
import "../parts/thread.js";
import { DeskElement } from "./workspace.js";

const entered = await enter();
const desk = document.querySelector("baton-desk");
if (desk instanceof DeskElement) desk.begin(entered);
