// The countdown on both pages, and the PC page's wait for the phone.
"use strict";

const countdown = document.getElementById("countdown");
const claim = document.getElementById("claim");
const news = document.getElementById("news");
let endsAt = performance.now() + Number(countdown.dataset.remaining) * 1000;

function showTime() {
  const left = Math.max(0, Math.ceil((endsAt - performance.now()) / 1000));
  const two = (n) => String(n).padStart(2, "0");
  countdown.textContent = `${two(Math.floor(left / 60))}:${two(left % 60)}`;
  countdown.classList.toggle("soon", left < 60);
  if (left === 0 && !claim) location.reload();
  else setTimeout(showTime, 500);
}

async function poll() {
  try {
    const answer = await fetch(claim.dataset.status, { cache: "no-store" });
    const { state, remaining_s: left } = await answer.json();
    endsAt = performance.now() + left * 1000;
    if (state !== "waiting") {
      news.textContent = "가맹점으로 돌아갑니다. · Going back to the shop.";
      claim.submit();
      return;
    }
  } catch {
    news.textContent = "연결을 다시 시도하고 있습니다. · Reconnecting.";
  }
  setTimeout(poll, 1000);
}

showTime();
if (claim) poll();
